"""Outputs of layers inside a network: attention of STH, gates of GSM and GSF."""

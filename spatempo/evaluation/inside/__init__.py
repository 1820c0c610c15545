"""Outputs of layers inside a network: STH's attention, the gates of GSM and GSF."""

"""Pictures and pages drawn from plain results."""

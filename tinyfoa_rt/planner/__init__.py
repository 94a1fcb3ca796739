"""Bytes and time: arena layout, search, accounts, report. Knows no graph and no operator."""

"""What commands show: tables, ledgers, the verdict in words, the terminal view."""

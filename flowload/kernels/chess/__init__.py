"""Records of lc0: checked, packed, and written as planes, policies and values."""

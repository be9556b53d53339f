"""The board: its C++, its protocol, its emulation."""

"""Fan-out, fan-in and ranks: `split`, `tee`, `merge`, `mix`, `shard`, and equal ends of ranks."""

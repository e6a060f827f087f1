"""A whole run in a process of its own: `graph.iterate(process=True)`.

Who may call it: the engine. `remote` is the face that a reader has, `connection` its end of the line, `serve`
the other end, with an ordinary run in it; `wire` is how batches and answers travel. Batches come in memory
that both processes map (`flowload.processes.child.Memory`), and go back when the reader has let go of them.
"""

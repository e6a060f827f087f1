"""Files of the field that hold recordings, a kind a module: npy, HDF5, NWB, suite2p's folders, SpikeGLX's.

Named in `recordings.kinds`, and asked there which of them a place is. Each makes a `BoxSeries`.
"""

"""app: the loop, the wiring (the only importer of concrete drivers), settings, store, access, audit."""

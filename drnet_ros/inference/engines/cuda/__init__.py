"""The torch engine on a GPU; only `torch_engine` enters."""

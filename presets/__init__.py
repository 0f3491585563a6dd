"""The shipped chain files, installed as the package `torchfx_cli.presets`."""

"""torchfx: filter chains written in YAML, applied to audio files of any length, on the CPU or a GPU.

The way of the data, and of the imports, is chain -> design -> plan -> render -> stream -> tasks:

    chain/    a YAML file -> ChainSpec: what was asked for, no sample rate yet
    design/   ChainSpec + sample rate -> stages with coefficients
    plan/     stages -> RenderPlan: fused, ordered, passes and latency settled
    render/   RenderPlan -> engines that turn blocks into blocks, on a device
    stream/   files <-> blocks
    tasks/    many files
    cli/      the commands

`errors` and `samples` are words that all of them share. Importing this package loads nothing else.
"""

__version__ = "0.1.0"

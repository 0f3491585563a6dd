"""What other programs call options: SoX, ffmpeg and their like, for those who come from there."""

from __future__ import annotations

from collections.abc import Collection

HERE = {
    **dict.fromkeys(("-i", "--input", "--in"), "left out: torchfx process in.wav -o out.wav"),
    **dict.fromkeys(("-p", "--preset", "--presets", "--config"), "--chain"),
    **dict.fromkeys(("-a", "-af", "--filter", "--filters", "--fx"), "--effect"),
    **dict.fromkeys(("--out", "--outdir", "--out-dir", "--output-dir", "--output-folder", "--outfile"), "--output"),
    **dict.fromkeys(("-y", "-f", "--force", "--clobber", "--replace"), "--overwrite"),
    **dict.fromkeys(("-n", "--no-clobber", "--ignore-existing"), "--skip-existing"),
    **dict.fromkeys(("-r", "--sr", "--samplerate", "--sample-rate", "--resample"), "--rate"),
    **dict.fromkeys(("-b", "--bits", "--bit-depth", "--bitdepth", "--encoding"), "--subtype"),
    **dict.fromkeys(("-t", "--type"), "--format"),
    **dict.fromkeys(("--normalise", "--norm", "--peak"), "--normalize"),
    **dict.fromkeys(("--lufs", "--loudnorm"), "--loudness"),
    **dict.fromkeys(("--true-peak", "--tp"), "a key of a stage: -e loudness:target=-16,true_peak=-1"),
    **dict.fromkeys(("--gain", "--volume", "--vol"), "a stage: -e gain:-3"),
    **dict.fromkeys(("--threads", "--workers", "--parallel", "--nproc"), "--jobs"),
    **dict.fromkeys(("--sha256", "--sha", "--checksum", "--checksums"), "--hash"),
    **dict.fromkeys(("-R", "--recursive"), "left out: a folder is taken with all folders in it"),
}


def hint(option: str, known: Collection[str]) -> str:
    """What `option` is here, in a command that has the options `known`; "" where nothing is said of it."""
    here = HERE.get(option, "")
    is_said = here in known if here.startswith("--") else here and "--chain" in known
    return f"here it is {here}" if is_said else ""

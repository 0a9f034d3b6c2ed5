import pytest

from brainviewer.formats.sequence import Timing, guess_sequence


@pytest.mark.parametrize(
    ("text", "timing", "guess"),
    [
        ("AX FLAIR", Timing(), "FLAIR"),
        ("t2_tirm_tra_dark-fluid_4mm", Timing(), "FLAIR"),
        ("sag_3D_T2_FLAIR_CUBE", Timing(), "FLAIR"),
        ("Ax T2 FLAIR + C", Timing(), "FLAIR"),
        ("BraTS20_Training_001_flair", Timing(), "FLAIR"),
        ("AX T1 FLAIR", Timing(2000, 20, 800), "T1"),
        ("AX T1 FLAIR POST", Timing(2000, 20, 800), "T1 post-contrast"),
        ("t1_mprage_sag_p2_iso", Timing(), "T1"),
        ("AX T1 PRE", Timing(), "T1"),
        ("AX T1 W/O CONTRAST", Timing(contrast=True), "T1"),
        ("AX T1", Timing(contrast=True), "T1 post-contrast"),
        ("AX T1 POST GAD", Timing(), "T1 post-contrast"),
        ("BraTS20_Training_001_t1ce", Timing(), "T1 post-contrast"),
        ("case7_T1Gd", Timing(), "T1 post-contrast"),
        ("T1 +C SE AX", Timing(), "T1 post-contrast"),
        ("3D BRAVO", Timing(), "T1"),
        ("AX T2 FSE", Timing(), "T2"),
        ("T2", Timing(9000, 120, 2500), "FLAIR"),
        ("AX T2* GRE", Timing(), "T2*"),
        ("SWI_Images", Timing(), "T2*"),
        ("ep2d_diff_3scan_trace_p2 DIFFUSION TRACEW", Timing(), "DWI"),
        ("Apparent Diffusion Coefficient (ADC)", Timing(), "ADC"),
        ("AX DWI ADC", Timing(), "ADC"),
        ("3-plane localizer", Timing(), "localiser"),
        ("TOF_3D_multi-slab", Timing(), "angiography"),
        ("STIR cor", Timing(), "STIR"),
        ("brain", Timing(8000, 125, 2250), "FLAIR"),
        ("brain", Timing(500, 12), "T1"),
        ("brain", Timing(500, 12, contrast=True), "T1 post-contrast"),
        ("brain", Timing(4500, 100), "T2"),
        ("brain", Timing(3000, 20), "PD"),
        ("brain", Timing(4000, 50, 150), "STIR"),
        ("brain", Timing(), None),
        ("TCGA_CS_4941_19960909", Timing(), None),
        ("", Timing(0, 0), None),
    ],
)
def test_guesses(text, timing, guess):
    assert guess_sequence(text, timing) == guess

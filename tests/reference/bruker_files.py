"""ParaVision folders written by loops, in the vendor's order."""

from __future__ import annotations

import numpy as np

NX, NY, ORDER, REPETITIONS = 20, 6, (2, 0, 1), 2
STEPS = (0, -1, 1, -2, 2, -3)  # centre first
ACQP = {
    "ACQ_dim": "2",
    "ACQ_size": f"( 2 )\n{2 * NX} {NY}",
    "NI": "3",
    "NR": str(REPETITIONS),
    "ACQ_phase_factor": "2",
    "ACQ_obj_order": "( 3 )\n" + " ".join(map(str, ORDER)),
    "BYTORDA": "big",
    "GO_raw_data_format": "GO_16BIT_SGN_INT",
    "GO_block_size": "Standard_KBlock_Format",
}
METHOD = {
    "PVM_EncMatrix": f"( 2 )\n{NX} {NY}",
    "PVM_EncSteps1": "( 6 )\n" + " ".join(map(str, STEPS)),
    "PVM_EncActReceivers": "( 3 )\nOn Off On",
    "PVM_Fov": "( 2 )\n25 18",
    "PVM_AntiAlias": "( 2 )\n2 1",
    "PVM_SliceThick": "1.5",
}


def parameter_file(path, values):
    lines = ["##TITLE=Parameter List", "$$ a comment", *(f"##${k}={v}" for k, v in values.items()), "##END="]
    path.write_text("\n".join(lines) + "\n")


def sample(coil, repetition, target, line, x):
    """A number that tells where it belongs."""
    return (1000 * coil + 100 * repetition + 10 * target + line) + 1j * (x - 7)


def write_scan(folder, acqp=None, method=None):
    """A scan of 2 coils, 2 repetitions and 3 slices, written by loops in the vendor's order."""
    parameter_file(folder / "acqp", ACQP | (acqp or {}))
    parameter_file(folder / "method", METHOD | (method or {}))
    words = []
    for repetition in range(REPETITIONS):
        for group in range(NY // 2):
            for target in ORDER:
                for step in STEPS[2 * group : 2 * group + 2]:
                    block = []
                    for coil in range(2):
                        for x in range(NX):
                            value = sample(coil, repetition, target, step + NY // 2, x)
                            block += [value.real, value.imag]
                    words += block + [99] * (512 - len(block))  # padding to 1024 bytes of 16-bit words
    np.array(words, ">i2").tofile(folder / "fid")
    return folder

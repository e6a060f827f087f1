"""A process that compiles kernels for 64-bit ARM: `cross.py FOLDER`; tells how each file begins, as JSON.

In a process of its own, because LLVM ends the process that asks for what a processor does not have.

numba compiles for the machine it runs on. Its code is taken when it is optimised and linked, and before it is
lowered to that machine's instructions: what LLVM holds then is given to its compiler for the other one.

That code is kept in FOLDER, and taken from there the next time: it takes five times as long to make as to
compile. numba's own cache would not do: it keeps code that is lowered already.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from numba.core import codegen

import flowload as fl
from flowload.sample import sample_path

#: Triples, and how much is optimised. The Mac's machine code is that of Linux in another wrapping.
TARGETS = {"aarch64-unknown-linux-gnu": 2, "arm64-apple-macosx14.0": 0}


PIPELINES = Path(__file__).parents[2] / "pipelines"


class Taken:
    """The code of every function that numba compiles."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.real: Any = codegen.CPUCodeLibrary._finalize_final_module

    def finalize(self, library: Any) -> None:
        """In the place of numba's own method."""
        module = library._final_module
        self.texts[f"{library.name} {len(self.texts)}"] = str(module)
        # What others link is a copy, too: the module itself is about to be lowered in place.
        library._shared_module = module.clone()
        for function in library._shared_module.functions:
            if not function.is_declaration and function.linkage == llvm.Linkage.external:
                function.linkage = "linkonce_odr"
        self.real(library)


def graphs() -> list[fl.Graph]:
    """What between them runs most kernels."""
    frames = fl.discover(sample_path("chess")) >> fl.read("lc0") >> fl.unpack(rate=0.5)
    made = [frames >> fl.batch(64, layout=layout) for layout in ("tensors", "tuple", "bits")]
    made[0] = frames >> fl.reservoir(500) >> fl.batch(64)
    wide = {"x": np.zeros((50_000, 64), np.float32), "n": np.arange(50_000)}
    made.append(fl.rows(wide) >> fl.shuffle() >> fl.batch(20_000))
    made.append(fl.load(str(PIPELINES / "games.py"), device="cpu"))
    ways: tuple[dict[str, Any], ...] = ({"bucket_size": 64}, {"pairs": "real", "cutoff": 3.0})
    made += [fl.load(str(PIPELINES / "molecules.py"), device="cpu", **how) for how in ways]
    return made


def compiled(text: str, triple: str, opt: int) -> bytes:
    """The object file of a module, for a target."""
    machine = llvm.Target.from_triple(triple).create_target_machine(opt=opt, reloc="pic", codemodel="default")
    module = llvm.parse_assembly(text)
    module.triple = triple
    module.data_layout = str(machine.target_data)
    module.verify()
    return bytes(machine.emit_object(module))


def run_graphs() -> dict[str, str]:
    """The code of every function that running the graphs compiles, by name."""
    taken = Taken()
    numbas: Any = codegen.CPUCodeLibrary

    def finalize(library: Any) -> None:
        taken.finalize(library)  # a bound method would not be given the library

    numbas._finalize_final_module = finalize
    for graph in graphs():
        with graph.iterate(seed=0) as run:
            for _ in run:
                pass  # to the end: a run that is left does not wait for what is being compiled
    return taken.texts


def kept_in(folder: Path) -> dict[str, str]:
    """The code that lies in a folder; if none does, it is made and put there."""
    path = folder / "kernels.json"
    if path.exists():
        found: dict[str, str] = json.loads(path.read_text())
        return found
    made = run_graphs()
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f"draft-{os.getpid()}"
    draft.write_text(json.dumps(made))
    draft.replace(path)
    return made


def main(folder: str) -> None:
    """Compile the code for each target."""
    texts = kept_in(Path(folder))
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    heads = {}
    for triple, opt in TARGETS.items():
        files = {name: compiled(text, triple, opt) for name, text in texts.items()}
        heads[triple] = {name: file[:20].hex() for name, file in files.items()}
    sys.stdout.write(json.dumps(heads))


if __name__ == "__main__":
    main(sys.argv[1])

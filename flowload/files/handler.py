"""The machine code that takes SIGBUS: what the kernel sends a thread that reads a map behind its file's end.

It runs inside a signal, in the midst of whatever the thread did: so it is compiled here by itself, calls
nothing but `mmap`, `sigaction` and `raise`, waits for no lock, and reads only the memory that it was built
for. For an address in a known range it sets the range's flag and puts zeros under the rest of the range, so
that the thread goes on; whoever reads the range looks at the flag afterwards. All else it hands on to the
handler that was there before, or, where there was none, to the system, which ends the process.
"""

from __future__ import annotations

import ctypes
import mmap
from typing import Any, NamedTuple

import llvmlite.binding as llvm
import llvmlite.ir as ir

__all__ = ["ACTION", "FORMERS", "RANGE", "WORDS", "Handler", "compile_handler"]

WORDS = 3  #: 64-bit words at the start: ranges in use at most, former handlers, whether any flag is set
RANGE = 3  #: words of a range: its first byte, the byte behind its last, its flag
FORMERS = 8  #: handlers that were there before, at most

# What follows is Linux on 64-bit machines, where glibc and musl agree.
ACTION = 152  #: bytes of a `struct sigaction`; its first word is the handler
CODE, ADDRESS = 8, 16  #: bytes in a `siginfo_t` before the cause, and before the address
MCE_REQUIRED, MCE_OPTIONAL = 4, 5  #: causes: the memory itself is broken
SHARED = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
FIXED, NO_RESERVE = 0x10, 0x4000
DEFAULT, IGNORE = 0, 1  #: handlers that are none

I32, I64 = ir.IntType(32), ir.IntType(64)
HANDLER = ir.FunctionType(ir.VoidType(), [I32, I64, I64])


class Handler(NamedTuple):
    """A signal handler as machine code."""

    address: int
    engine: Any  #: keeps it alive


class Memory(NamedTuple):
    """Addresses of what the handler reads and writes."""

    words: int  #: `WORDS`, then `RANGE` for each range
    formers: int  #: `FORMERS` structures of the system's, and one of zeros


def compile_handler(words: int, formers: int) -> Handler:
    """Compile the handler for a table at an address, and former handlers at another; in milliseconds."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = llvm.parse_assembly(str(Code(Memory(words, formers)).module))
    module.verify()
    engine = llvm.create_mcjit_compiler(
        module, llvm.Target.from_default_triple().create_target_machine(opt=2)
    )
    engine.finalize_object()
    return Handler(engine.get_function_address("flowload_sigbus"), engine)


class Code:
    """Builds the handler's function in LLVM, block by block."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.module = ir.Module(name="sigbus")
        self.module.triple = llvm.get_default_triple()
        function = ir.Function(self.module, HANDLER, name="flowload_sigbus")
        self.number, self.info, self.context = function.args
        names = ("entry", "next", "look", "note", "found", "ours", "foreign", "unhandled", "former")
        self.blocks = {name: function.append_basic_block(name) for name in names}
        self.builder = ir.IRBuilder(self.blocks["entry"])
        self.entry()
        self.search()
        self.ours()
        self.foreign()
        self.unhandled()
        self.former()

    # ---- helpers

    def begin(self, name: str) -> ir.IRBuilder:
        """Write into a block from now on."""
        self.builder = ir.IRBuilder(self.blocks[name])
        return self.builder

    def at(self, address: Any, kind: ir.Type = I64) -> Any:
        """A pointer to a number in memory."""
        return self.builder.inttoptr(address, kind.as_pointer())

    def word(self, place: int) -> Any:
        """A pointer to a word of the table."""
        return self.at(I64(self.memory.words + 8 * place))

    def call(self, name: str, result: ir.Type, arguments: list[Any]) -> Any:
        """Call a function of the C library."""
        address = ctypes.cast(getattr(ctypes.CDLL(None), name), ctypes.c_void_p).value
        kind = ir.FunctionType(result, [argument.type for argument in arguments])
        return self.builder.call(self.builder.inttoptr(I64(address), kind.as_pointer()), arguments)

    def act(self, action: Any) -> None:
        """Make an action that of the signal."""
        self.call("sigaction", I32, [self.number, action, I64(0)])

    # ---- the function

    def entry(self) -> None:
        """Is it a fault of an instruction, rather than a signal that somebody sent, or broken memory?"""
        b = self.begin("entry")
        self.code = b.load(self.at(b.add(self.info, I64(CODE)), I32))
        self.address = b.load(self.at(b.add(self.info, I64(ADDRESS))))
        self.count = b.load(self.word(0))
        fault = b.and_(
            b.icmp_signed(">", self.code, I32(0)),
            b.and_(
                b.icmp_signed("!=", self.code, I32(MCE_REQUIRED)),
                b.icmp_signed("!=", self.code, I32(MCE_OPTIONAL)),
            ),
        )
        b.cbranch(fault, self.blocks["next"], self.blocks["foreign"])

    def search(self) -> None:
        """Set the flag of every range that holds the address: two runs may watch one map."""
        b = self.begin("next")
        place, self.end = b.phi(I64), b.phi(I64)
        place.add_incoming(I64(0), self.blocks["entry"])
        self.end.add_incoming(I64(0), self.blocks["entry"])
        b.cbranch(b.icmp_signed("<", place, self.count), self.blocks["look"], self.blocks["found"])
        b = self.begin("look")
        here = b.add(I64(self.memory.words + 8 * WORDS), b.mul(place, I64(8 * RANGE)))
        first, end = b.load(self.at(here)), b.load(self.at(b.add(here, I64(8))))
        inside = b.and_(b.icmp_unsigned("<=", first, self.address), b.icmp_unsigned("<", self.address, end))
        following = b.add(place, I64(1))
        b.cbranch(inside, self.blocks["note"], self.blocks["next"])
        place.add_incoming(following, self.blocks["look"])
        self.end.add_incoming(self.end, self.blocks["look"])
        b = self.begin("note")
        b.store(I64(1), self.at(b.add(here, I64(16))))
        b.branch(self.blocks["next"])
        place.add_incoming(following, self.blocks["note"])
        self.end.add_incoming(end, self.blocks["note"])
        b = self.begin("found")
        b.cbranch(b.icmp_unsigned("!=", self.end, I64(0)), self.blocks["ours"], self.blocks["foreign"])

    def ours(self) -> None:
        """Zeros from this page to the end of the range: behind a file's end there is nothing else.

        Page by page there would be as many maps as pages, of which Linux gives 65,530 a process.
        """
        b = self.begin("ours")
        b.store(I64(1), self.word(2))
        page = b.and_(self.address, I64(-mmap.PAGESIZE))
        flags = SHARED | FIXED | NO_RESERVE
        size = b.sub(self.end, page)
        access = I32(mmap.PROT_READ | mmap.PROT_WRITE)
        got = self.call("mmap", I64, [page, size, access, I32(flags), I32(-1), I64(0)])
        with b.if_then(b.icmp_signed("==", got, page)):
            b.ret_void()
        b.branch(self.blocks["foreign"])

    def foreign(self) -> None:
        """Whose turn it is: of the handlers before this one, the last that does not run now."""
        b = self.begin("foreign")
        self.depth = b.load(self.word(1))
        self.action = b.add(I64(self.memory.formers), b.mul(b.sub(self.depth, I64(1)), I64(ACTION)))
        b.cbranch(b.icmp_signed(">", self.depth, I64(0)), self.blocks["former"], self.blocks["unhandled"])

    def unhandled(self) -> None:
        """The system's own way: a fault comes again when this returns, what was sent is sent again."""
        b = self.begin("unhandled")
        self.act(I64(self.memory.formers + FORMERS * ACTION))  # all zeros: the default
        with b.if_then(b.icmp_signed("<=", self.code, I32(0))):
            self.call("raise", I32, [self.number])
        b.ret_void()

    def former(self) -> None:
        """Call the former handler as the system would have done.

        It is taken off while it runs: faulthandler's puts back what was before it, this one perhaps, and
        raises the signal again, which then goes to the one below.
        """
        b = self.begin("former")
        target = b.load(self.at(self.action))
        none = b.icmp_unsigned("==", target, I64(DEFAULT))
        ignored = b.icmp_unsigned("==", target, I64(IGNORE))
        sent = b.icmp_signed("<=", self.code, I32(0))
        with b.if_then(b.or_(none, b.and_(ignored, b.not_(sent)))):  # nobody can ignore a fault
            b.branch(self.blocks["unhandled"])
        with b.if_then(ignored):
            b.ret_void()
        b.store(b.sub(self.depth, I64(1)), self.word(1))
        b.call(b.inttoptr(target, HANDLER.as_pointer()), [self.number, self.info, self.context])
        b.store(self.depth, self.word(1))
        b.ret_void()

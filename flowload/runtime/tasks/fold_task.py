"""Task of neighbouring Folds: one job at a time in an executor, messages in and messages out, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from functools import partial

from flowload.abc.powers import Paced
from flowload.runtime.channel import Channel, Cut, Message, NumberedBlock
from flowload.runtime.tasks.chains.chain_state import ChainState
from flowload.runtime.tasks.chains.fold_chain import FoldChain
from flowload.runtime.threads.executor import Executor, Job
from flowload.runtime.threads.monitor import Monitor

from .pacing import Pacing
from .segment import Segment
from .task import Task

__all__ = ["FoldTask"]

#: Messages that one job takes and makes at most, and seconds after which it stops: enough to pay for the way
#: to a thread (about 100 us), little enough to bound memory and to keep rows in the cache for who takes them.
TAKE, MESSAGES, SECONDS = 2, 2, 0.005

#: After LIGHT_HOPS jobs in a row that made at most LIGHT_BYTES each (references, not arrays), a job makes
#: LIGHT_MESSAGES: memory is no reason to stop early then.
#: A lane has a share of a pass, and so after IN_A_LANE jobs.
LIGHT_HOPS, LIGHT_BYTES, LIGHT_MESSAGES, IN_A_LANE = 64, 1 << 18, 32, 4


class FoldTask(Task):
    """Folds are serial: one job at a time, and the next when what the last one made was sent.

    Args:
        behind: for a fold that is paced: the run's outputs, and the segments between.
    """

    def __init__(
        self,
        segment: Segment,
        monitor: Monitor,
        executor: Executor,
        behind: tuple[Iterable[Channel], Sequence[Segment]] = ((), ()),
    ) -> None:
        super().__init__(segment, monitor)
        first = segment.members[0].operator
        self._pacing: Pacing | None = None
        if isinstance(first, Paced):
            self._pacing = Pacing(first, segment, *behind, monitor.run_lock, self.schedule)
            monitor.checks.append(self._pacing.relieve)
        segment.inputs[0].on_demand = not segment.ahead
        self._take = TAKE if self._pacing is None else 1  # there is room for one at a time
        self._executor = executor
        sent, since = self._stood(segment)
        counts = "out" in segment.outputs and segment.outputs["out"].counts_batches
        state = ChainState(segment.saver, sent, since, counts_batches=counts)
        self._chain = FoldChain(segment.members, segment.epochs, state, segment.idle_log)
        self._made: deque[Message] = deque()  # not sent yet
        self._job: Job | None = None
        self._spent = True  # nothing more comes of what was fed
        self._flushed = False
        self._rested = False  # idle folds were asked, and gave nothing
        self._light = 0  # hops in a row that made few bytes
        self._hops = LIGHT_HOPS if segment.ahead else IN_A_LANE
        self._go_on()

    def step(self) -> Channel | None:
        """Send what was made, then make more: from what was fed, from the input, from idle folds."""
        if self._job is not None:
            if not self._job.done:
                return None
            self._took(self._job)
        while self._made:
            if (blocked := self.send(self._made[0])) is not None:
                return blocked
            self._made.popleft()
        if (full := self.no_room()) is not None:
            return full
        self.held_back = self._spent and self._pacing is not None and self._pacing.holds_back()
        if self.held_back:
            return self.segment.inputs[0]
        if self._spent and not self._feed():
            if self._flushed:
                self.end()
            return self.segment.inputs[0]
        self._hop()
        return None

    @staticmethod
    def _stood(segment: Segment) -> tuple[int, int]:
        """Messages that an earlier run had written, and had taken since the last cut."""
        sent = segment.outputs["out"].sent if "out" in segment.outputs else 0
        return sent, (segment.saved or {}).get("surplus", [0])[0]

    def _go_on(self) -> None:
        """Stand where an earlier run stood."""
        saved = self.segment.saved
        if saved is None:
            return
        if saved.get("ended"):
            self._flushed = True
            return
        self._chain.go_on(saved)
        if saved["now"] is not None:
            self._spent = False
            self._flushed = saved["now"]["way"]["word"] == "flush"
            # It had read all: what is made again before it are cuts, which nobody would take from the queue.
            self.segment.inputs[0].ends_cuts = self._flushed

    def stop(self) -> None:
        """Drop what waits to be sent; who writes to it waits for it no longer.

        It may end before its writer does: restored in its flush, it has had what is made again before it.
        """
        super().stop()
        self._made.clear()
        self.segment.inputs[0].starves(now=True)

    def _feed(self) -> bool:
        """Feed the chain from the input; False: there is nothing to make messages from."""
        source = self.segment.inputs[0]
        messages: list[Message] = []
        log = self.segment.idle_log
        most, fed = log.most(self._take), 0
        while fed < most and (message := source.take_now()) is not None:
            messages.append(message)
            fed += not isinstance(message, Cut)
            if self._pacing is not None and isinstance(message, NumberedBlock) and message.block is not None:
                self._pacing.began(message.block)
        if messages:
            self._chain.feed(messages)
            log.feed(fed)
            self._rested = False
        elif log.due:
            log.begun()
            self._chain.rest()
        elif source.at_end:
            if self._flushed:
                return False
            self._chain.finish()
            self._flushed = True
        elif self._chain.idles and not self._rested and log.free:
            self._chain.rest()
            self._rested = True
        else:
            return False
        self._spent = False
        return True

    def _hop(self) -> None:
        self.segment.going = self._chain.out
        self.segment.running = 1
        messages = LIGHT_MESSAGES if self._light >= self._hops else MESSAGES
        self._job = Job(partial(self._chain.advance, messages, SECONDS), self.schedule)
        self._executor.submit(self._job, priority=self.segment.priority)

    def _took(self, job: Job) -> None:
        self._job = None
        self.segment.running = 0
        made, self._spent = job.outcome()
        self._made.extend(made)
        nbytes = sum(message.nbytes for message in made if isinstance(message, NumberedBlock))
        self._light = self._light + 1 if nbytes <= LIGHT_BYTES else 0
        if any(not isinstance(message, Cut) for message in made):
            self._rested = False

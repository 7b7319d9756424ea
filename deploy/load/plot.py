"""The latencies and memory of a run as a picture."""

from pathlib import Path

from deploy.load.figures import SHARES, Figures, by_time
from deploy.load.processes import SERVERS, Watch

# More points than these are not told apart.
BUCKETS = 150


def write_plot(file: Path, figures: Figures, watch: Watch, title: str) -> None:
    """Writes a PNG: latency over time for each operation, and memory of each process below.

    Raises ImportError without matplotlib.
    """
    # Only the plot needs it: a run without it is still a run.
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(11, 12), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    *latency_axes, memory = figure.subplots(len(figures.operations) + 1, 1, sharex=True)
    last = max((max(tally.due, default=0) for tally in figures.operations.values()), default=0)
    step = max(1.0, last / BUCKETS)
    starts = [place * step for place in range(int(last / step) + 1)]
    for axes, (label, tally) in zip(latency_axes, figures.operations.items(), strict=True):
        lines = zip(*by_time(tally, starts), strict=True)
        for share, line in zip(SHARES, lines, strict=True):
            axes.plot(starts, [each * 1000 for each in line], label=f"p{share * 100:g}")
        axes.set(title=label, ylabel="latency (ms)", yscale="log")
        axes.grid(alpha=0.3)
    latency_axes[0].legend(loc="upper right", ncols=len(SHARES))
    for role in SERVERS:
        memory.plot([at for at, _ in watch.samples], [held.get(role, 0) / 1e6 for _, held in watch.samples], label=role)
    memory.set(title="resident memory of the processes", ylabel="MB", xlabel="time (s)", ylim=(0, None))
    memory.grid(alpha=0.3)
    memory.legend(loc="upper right", ncols=len(SERVERS))
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=120)

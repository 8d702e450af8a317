"""The house rules that a compiler does not check, read off the sources and the built library."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import bpnet as bp
from backend_names import FAST

ROOT = Path(__file__).parents[2]
CPP = ROOT / "cpp" / "bpnet"
FOLDERS = ["core", "kernels", "layers", "network", "training", "io"]  # each includes itself and those before

# Where each header that only one file may include is included. Folders or files, below cpp/.
PRIVATE_HEADERS = {
    r"omp\.h": ["bpnet/core/threads/openmp.cpp"],
    r"thread|condition_variable|pthread\.h|sched\.h": ["bpnet/core/threads"],
    r"\w*intrin\.h|arm_neon\.h|cpuid\.h": ["bpnet/kernels"],
    r"cuda.*": ["bpnet/kernels/cuda"],
    r"cublas.*": ["bpnet/kernels/cuda/cublaslt.cpp"],
    r"cudnn.*": ["bpnet/kernels/cuda/cudnn.cpp"],
    r"pybind11/.*": ["bindings"],
    r"Python\.h|numpy/.*": ["bindings"],
    r"bpnet/kernels/cpu/.*": ["bpnet/kernels/cpu"],
    r"bpnet/kernels/reference/.*": ["bpnet/kernels/reference"],
    r"bpnet/kernels/guarded/.*": ["bpnet/kernels/guarded"],
    r"sys/mman\.h": ["bpnet/core/memory", "bpnet/kernels/guarded"],
}

MOST_LINES = 600
MOST_CMAKE_LINES = 200
# Bytes per instruction set and type: products and six ways of convolution, each in several tiles of some 1.5 KB. GCC 12
# makes 256 KB of AVX-512's, other compilers a little more.
MOST_CODE = 280 * 1024


def sources(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.rglob("*") if path.suffix in {".h", ".cpp", ".cu"})
    assert found, f"no sources in {folder}"
    return found


def includes(path: Path) -> list[str]:
    return re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', path.read_text(encoding="utf-8"), re.MULTILINE)


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_rooms_are_known():
    assert sorted(path.name for path in CPP.iterdir() if path.is_dir()) == sorted(FOLDERS)


@pytest.mark.parametrize("folder", FOLDERS)
def test_includes_never_run_back_up(folder):
    allowed = FOLDERS[: FOLDERS.index(folder) + 1]
    wrong = [
        f"{name(path)} includes {header}"
        for path in sources(CPP / folder)
        for header in includes(path)
        if header.startswith("bpnet/") and header != "bpnet/version.h" and header.split("/")[1] not in allowed
    ]
    assert not wrong, f"{folder} may include {', '.join(allowed)} only"


KERNEL_FOLDERS = [
    "base",
    "product",
    "",
    "convolution",
    "chain",
    "bfloat16",
]  # of kernels/cpu; "": the files beside them


@pytest.mark.parametrize("folder", KERNEL_FOLDERS)
def test_kernel_includes_never_run_back_up(folder):
    kernels = CPP / "kernels" / "cpu"
    assert {path.name for path in kernels.iterdir() if path.is_dir()} == set(filter(None, KERNEL_FOLDERS))
    allowed = KERNEL_FOLDERS[: KERNEL_FOLDERS.index(folder) + 1]
    wrong = [
        f"{name(path)} includes {header}"
        for path in sorted((kernels / folder).glob("*.h"))
        for header in includes(path)
        if header.startswith("bpnet/kernels/cpu/") and "/".join(header.split("/")[3:-1]) not in allowed
    ]
    assert not wrong


# What points into a backend's memory. Outside kernels/ and core/memory it is passed to kernels and copies only.
OF_THE_BACKEND = (
    r"(?:\b(?:parameter|gradient|buffer|slot)_data\(\)|\bgrad_output\(\)|\brecorded_output\(\)|\bsums\(\)"
    r"|\btensor\.data\b|\bat<\w+>\([^()]*\))"
)
MEMBERS = r"(?:[\w.]|->|\(\))*?"  # what precedes it: network_->
ADDRESS = r"&" + MEMBERS + OF_THE_BACKEND + r"->\w+"  # &sums()->weight only points
DEREFERENCES = [
    OF_THE_BACKEND + r"\s*(?:\[|->)",
    r"(?:^|[=(,;{!<>+\-]|\breturn)\s*\*\s*" + MEMBERS + OF_THE_BACKEND,
    r"\b(?:mem(?:cpy|set|move)|std::(?:copy|copy_n|fill|fill_n))\s*\(.*" + OF_THE_BACKEND,
]


def dereferences(text: str) -> list[str]:
    lines = [re.sub(ADDRESS, "", re.sub(r"//.*", "", line)).strip() for line in text.splitlines()]
    return [line for line in lines if any(re.search(pattern, line) for pattern in DEREFERENCES)]


def test_nobody_reads_a_backends_memory():
    allowed = [CPP / "kernels", CPP / "core" / "memory"]
    wrong = [
        f"{name(path)}: {line}"
        for path in sources(ROOT / "cpp")
        if not any(folder in path.parents for folder in allowed)
        for line in dereferences(path.read_text(encoding="utf-8"))
    ]
    assert not wrong, "use write_to(), read_from() or a HostMirror"


@pytest.mark.parametrize(
    "line, reads",
    [
        ("x = network.parameter_data()[3];", True),
        ("const T first = *network_->gradient_data();", True),
        ("return *buffer_data();", True),
        ("std::copy(values, values + count, item.tensor.data);", True),
        ("std::memcpy(to, workspace_.at<T>(offset), bytes);", True),
        ("sums->loss = loss_.sums()->batch_loss;", True),
        ("if (sums()->stopped) return;", True),
        ("rows.at<T>(0)[r] = weight;", True),
        ("kernels.weigh_rows(context, weights, &sums()->batch_weight);", False),
        ("update_.apply(rate, step, &gradient_.loss().sums()->updates);", False),
        ("write_to(memory, item.tensor.data, values, shape.count());", False),
        ("T* parameter_data() { return parameters_.template at<T>(0); }", False),
        ("return slot_data() + s * plan.parameter_size;", False),
    ],
)
def test_a_read_of_a_backends_memory_is_recognised(line: str, reads: bool):
    assert bool(dereferences(line)) == reads


def test_includes_are_written_in_full():
    """Relative includes would hide an arrow from the test above."""
    wrong = [
        f"{name(path)} includes {header}"
        for path in sources(CPP)
        for header in includes(path)
        if header.startswith(".") or (not header.startswith("bpnet/") and (path.parent / header).exists())
    ]
    assert not wrong


@pytest.mark.parametrize("header", PRIVATE_HEADERS)
def test_private_headers(header):
    def may_see(path: Path) -> bool:
        return any(f"{path.as_posix()}/".startswith(f"{ROOT.as_posix()}/cpp/{at}/") for at in folders)

    folders = PRIVATE_HEADERS[header]
    wrong = [
        f"{name(path)} includes {found}"
        for path in sources(ROOT / "cpp")
        for found in includes(path)
        if re.fullmatch(header, found) and not may_see(path)
    ]
    assert not wrong, f"only {folders} may"


def test_threads_stay_in_one_place():
    text = {name(path): path.read_text(encoding="utf-8") for path in sources(ROOT / "cpp")}
    openmp = re.compile(r"#\s*pragma\s+omp|_Pragma\s*\(\s*\"omp|\bomp_\w+\s*\(")
    assert {path for path in text if openmp.search(text[path])} == {"cpp/bpnet/core/threads/openmp.cpp"}
    threads = re.compile(r"std::j?thread\b|std::async\b")
    users = {path for path in text if threads.search(text[path])}
    assert users and all(path.startswith("cpp/bpnet/core/threads/") for path in users), users


def cmake_texts() -> Iterator[tuple[str, str]]:
    """Name and text, without comments, of every file that says how to compile."""
    paths = [ROOT / "CMakeLists.txt", ROOT / "CMakePresets.json", ROOT / "pyproject.toml"]
    paths += [*(ROOT / "cmake").rglob("*.*"), *(ROOT / "tests" / "cpp").rglob("CMakeLists.txt")]
    for path in paths:
        if path.exists():  # a source distribution has no presets
            text = path.read_text(encoding="utf-8")
            yield name(path), text if path.suffix == ".json" else re.sub(r"#.*", "", text)


def test_only_the_kernel_tables_know_a_processor():
    for where, text in cmake_texts():
        tables = re.findall(
            r"^\s*(?:bpnet_add_(?:bfloat16_)?tables\(|set\(CMAKE_REQUIRED_FLAGS )[^)]*\)", text, re.MULTILINE
        )
        assert bool(tables) == (where == "cmake/tables.cmake"), where
        for call in tables:
            text = text.replace(call, "")
        # -m…: one instruction set or processor
        found = re.findall(r"-march\S*|-mtune\S*|-mcpu\S*|-m(?:avx|fma|sse|f16c)\S*|/arch\S*", text)
        assert not found, f"{where} has {found} outside bpnet_add_tables and bpnet_add_bfloat16_tables"


def test_no_fast_math():
    for where, text in cmake_texts():
        found = re.findall(r"-ffast-math|-Ofast|-funsafe-math\S*|-fassociative-math|/fp:fast", text)
        assert not found, f"{where} has {found}"
    text = dict(cmake_texts())["cmake/tables.cmake"]
    function = re.search(
        r"^function\(bpnet_compile_as_table.*?^endfunction\(\)", text, re.MULTILINE | re.DOTALL
    )
    assert function, "cmake/tables.cmake has no function bpnet_compile_as_table"
    assert text.count("-ffp-contract") == function[0].count("-ffp-contract"), (
        "-ffp-contract belongs to the kernel tables alone"
    )


def test_module_only_lists_registrations():
    text = (ROOT / "cpp" / "bindings" / "module.cpp").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 40
    assert text.count("PYBIND11_MODULE") == 1
    body = text[text.index("{", text.index("PYBIND11_MODULE")) + 1 : text.rindex("}")]
    for line in filter(None, map(str.strip, body.splitlines())):
        assert re.match(r"register_\w+\(module\);$|module\.(doc|attr|def)\(", line), line


def test_no_file_is_two_ideas():
    files = [path for path in sources(ROOT / "cpp") if path.stat().st_size]
    files += sorted((ROOT / "python").rglob("*.py")) + sorted((ROOT / "tests").rglob("*.py"))
    files += sorted((ROOT / "tests" / "cpp").rglob("*.cpp"))
    limits = {path: MOST_LINES for path in files} | {ROOT / "CMakeLists.txt": MOST_CMAKE_LINES}
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in limits}
    long = [
        f"{name(path)}: {lengths[path]} lines, {limits[path]} are enough"
        for path in limits
        if lengths[path] > limits[path]
    ]
    assert not long


# A test that asks a clock fails on some machine. What has to wait for another process or thread waits for its
# answer, with the one guard against hanging that ctrl_c.py has.
CLOCKS = [
    r"\bimport\s+time\b|\bfrom\s+time\b|\btime\.(sleep|time|monotonic|perf_counter|process_time)",
    r"\b(perf_counter|monotonic|process_time)(_ns)?\s*\(",
    r"\bthreading\s*\.\s*Timer\b|\bsetitimer\s*\(|\bsignal\.alarm\s*\(|\basyncio\.sleep\b",
    r"\bsleep(_for|_until)?\s*\(|\bstd::chrono\b|#\s*include\s*<(chrono|ctime|time\.h)>",
    r"\btimeout\s*=\s*[\d.]|\b(wait|join|acquire|get|result)\(\s*(timeout\s*=\s*)?[\d.]+\s*\)",
]


def test_tests_ask_no_clock():
    files = [path for path in (ROOT / "tests").rglob("*") if path.suffix in {".py", ".cpp", ".h"}]
    files = [path for path in files if "long" not in path.parts and path != Path(__file__)]
    assert len(files) > 50
    wrong = [
        f"{name(path)}: {line.strip()}"
        for path in files
        for line in path.read_text(encoding="utf-8").splitlines()
        for clock in CLOCKS
        if re.search(clock, line)
    ]
    assert not wrong


@pytest.mark.parametrize(
    "line",
    [
        "import time",
        "start = time.perf_counter()",
        "time.sleep(0.1)",
        "threading.Timer(1, f)",
        "std::this_thread::sleep_for(x)",
        "done.communicate(timeout=20)",
        "thread.join(5)",
    ],
)
def test_a_clock_is_recognised(line: str):
    assert any(re.search(clock, line) for clock in CLOCKS)


# The built library. Several of its members are called table.cpp.o, so they are distinguished by what they
# define, and taken out of the archive here: `ar x` would write one over the other.


def archive_members(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Name and contents of each member of an ar archive, in the format of GNU ar."""
    data = archive.read_bytes()
    assert data.startswith(b"!<arch>\n"), f"{archive} is not an archive"
    long_names = b""
    at = 8
    while at < len(data):
        header = data[at : at + 60]
        assert header[58:] == b"`\n"
        size = int(header[48:58])
        contents = data[at + 60 : at + 60 + size]
        at += 60 + size + size % 2
        label = header[:16].rstrip().decode()
        if label == "//":
            long_names = contents
        elif label not in ("/", "/SYM64/"):
            if label.startswith("/"):
                label = long_names[int(label[1:]) :].split(b"\n", 1)[0].decode()
            yield label.rstrip("/"), contents


# What products in bfloat16 are compiled to, and what each object shows.
BFLOAT16 = {
    "table_avx512.cpp.o": [
        "bpnet::amx_kernels()",
        "bpnet::amx_preparation()",
        "bpnet::avx512_bf16_kernels()",
        "bpnet::avx512_bf16_preparation()",
        "bpnet::has_bfloat16_instructions()",
    ],
    "table_model.cpp.o": [
        "bpnet::amx_model_kernels()",
        "bpnet::amx_model_preparation()",
        "bpnet::avx512_bf16_model_kernels()",
        "bpnet::avx512_bf16_model_preparation()",
    ],
}


@pytest.fixture(scope="module")
def tables(tmp_path_factory) -> dict[str, Path]:
    """The object file of each per-ISA table in the installed library, by the name of its getter, or by its own."""
    if sys.platform != "linux":
        pytest.skip("reads ELF objects with GNU binutils, on Linux")
    for tool in ("nm", "size"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not available")
    archive = Path(bp.get_cmake_dir()).parents[1] / "libbpnet.a"
    if not archive.exists():
        pytest.skip(f"{archive} is not there: bpnet is run from its sources, not installed")
    folder = tmp_path_factory.mktemp("objects")
    found = {}
    for index, (label, contents) in enumerate(archive_members(archive)):
        if label not in ("table.cpp.o", *BFLOAT16):
            continue
        path = folder / f"{index}.o"
        path.write_bytes(contents)
        if any("__asan_" in line or "__tsan_" in line for line in nm(path)):
            pytest.skip("the library is built with a sanitizer, which adds symbols and code")
        if label in BFLOAT16:
            found[label] = path
            continue
        getters = [match[0] for line in nm(path) if (match := re.search(r"\w+_kernels_(float|double)", line))]
        if all(getter.startswith("reference_") for getter in getters):
            continue  # compiled as the rest of the library is
        assert len(getters) == 1, f"member {index}, {label}, defines {getters}"
        found[getters[0]] = path
    assert found, f"{archive} has no kernel tables"
    return found


def nm(path: Path) -> list[str]:
    """Lines "address type name" of the symbols, demangled; undefined ones have no address."""
    return subprocess.run(
        ["nm", "-C", str(path)], check=True, capture_output=True, text=True
    ).stdout.splitlines()


def test_every_table_is_in_the_library(tables):
    isas = FAST
    wanted = {f"{isa}_kernels_{real}" for isa in isas for real in ("float", "double")}
    assert wanted <= set(tables)


def test_tables_share_nothing_with_other_objects(tables):
    """A weak symbol compiled for AVX-512 might be the copy that the linker keeps for every processor."""
    for getter, path in tables.items():
        defined = [line.split(maxsplit=2) for line in nm(path) if not line.startswith(" ")]
        weak = [line for line in nm(path) if re.match(r"[0-9a-f ]*\s[VvWwu] ", line)]
        assert not weak, f"{getter}: weak symbols {weak}"
        exported = [text for _, kind, text in defined if kind.isupper()]
        wanted = BFLOAT16.get(getter, [f"bpnet::{getter}()"])
        assert sorted(exported) == wanted, f"{getter}: exported {exported}"


def test_tables_call_nothing_of_the_library_but_parallel_for(tables):
    """And those in bfloat16 the function that gives float32's table."""
    for getter, path in tables.items():
        undefined = [line.split(maxsplit=1)[1] for line in nm(path) if re.match(r"\s+U ", line)]
        ours = {text for text in undefined if "::" in text and not text.startswith("bpnet::parallel_for(")}
        assert ours <= ({"bpnet::best_float32_kernels()"} if getter in BFLOAT16 else set()), getter


def test_tables_are_small(tables):
    for getter, path in tables.items():
        listing = subprocess.run(
            ["size", "-A", str(path)], check=True, capture_output=True, text=True
        ).stdout.splitlines()
        code = sum(int(line.split()[1]) for line in listing if line.startswith(".text"))
        assert 0 < code <= MOST_CODE, f"{getter}: {code} bytes of code, {MOST_CODE} are allowed"

"""What a model, its values and its classes may be called: every name reaches generated code, so every one passes here.

A model's name is that of a header too, and begins every name in its C. And the names of the cells, which the command line knows too.
"""

from __future__ import annotations

import re
from typing import Literal, get_args

from .errors import UnsupportedError
from .text_files import is_shown

CellKind = Literal["fastrnn", "fastgrnn", "gru", "mgu", "lstm"]
CELL_KINDS: tuple[str, ...] = get_args(CellKind)
"""Each is the cell that models/recurrent/<kind>.py defines."""
LONGEST = 40
"""Characters of a model's name."""
_KEYWORDS = """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t char32_t char8_t class co_await co_return
    co_yield compl concept const const_cast consteval constexpr constinit continue decltype default delete do double dynamic_cast else
    enum explicit export extern false float for friend goto if inline int long mutable namespace new noexcept not not_eq nullptr
    operator or or_eq private protected public register reinterpret_cast requires restrict return short signed sizeof static
    static_assert static_cast struct switch template this thread_local throw true try typedef typeid typename typeof typeof_unqual union
    unsigned
    using virtual void volatile wchar_t while xor xor_eq
    """
KEYWORDS = frozenset(_KEYWORDS.split())
"""Of C and C++."""
_LIBRARIES = """
    aio aliases alloca ar argp argz assert byteswap complex cpio crypt ctype devctl dirent dlfcn elf endian envlock envz err errno error
    execinfo fastmath fcntl features fenv fmtmsg fnmatch fpu_control fstab fts ftw gconv getopt glob grp gshadow iconv ieee754 ieeefp
    ifaddrs inttypes langinfo lastlog libgen libintl limits link locale malloc math mcheck memory mntent monetary mqueue ndbm netdb
    newlib nl_types nss obstack paths picolibc picotls poll printf proc_service pthread pty pwd re_comp reent regdef regex regexp resolv
    sched search semaphore semihost setjmp sgtty shadow signal spawn stab stdatomic stdbit stdckdint stdint stdio stdio_ext stdlib string
    strings syscall sysexits syslog tar termio termios tgmath thread_db threads time ttyent uchar ucontext ulimit unctrl unistd utime
    utmp utmpx values wait wchar wctype wordexp
    """
"""Headers of glibc, newlib, picolibc and avr-libc."""
_COMPILERS = """
    acc_prof altivec amo arm64intr arm_acle arm_bf16 arm_cde arm_cmse arm_fp16 arm_mve arm_mve_types arm_neon arm_neon_sve_bridge arm_sme
    arm_sve arm_vector_types armintr backtrace builtins cet cpuid float gcov hexagon_circ_brev_intrinsics hexagon_protos hexagon_types
    htmxlintrin hvx_hexagon_protos iso646 larchintrin lasxintrin lsxintrin mm3dnow mm_malloc msa omp openacc ppu_intrinsics ptrauth quadmath
    quadmath_weak riscv_bitmanip riscv_crypto riscv_vector s390intrin si2vmx spu2vmx stdalign stdarg stdbool stddef stdfix stdnoreturn
    sysinfo syslimits tmmintrin unwind vadefs varargs vec_types vecintrin velintrin wasm_simd128
    """
"""Headers of compilers; those whose names end in `intrin` are refused by that."""
_FOLDERS = "arpa asm asm_generic avr bits compat gnu linux machine net netinet rpc sys util"
"""Folders of headers."""
_FIRMWARE = "checked_held crc frame held io main parity parity_model pins run semihosting start test_vector uart"
"""Files of the programs around a model."""
_ARDUINO = """
    api arduino arduinoble binary bluetooth cdc client common eeprom espmdns ethernet firmata fs gsm hardwareserial hid httpclient ipaddress
    keyboard liquidcrystal littlefs microbit mouse pins_arduino pluggableusb preferences print printable sd sdcard server servo
    softwareserial spi spiffs stepper stream tft ticker udp usbapi usbcore usbdesc usbhost wcharacter webserver wifi wificlient wifinina
    wifiserver wifiudp wire wiring_private wstring zephyr
    """
"""Headers of Arduino's cores and libraries where upper and lower case are one, and Zephyr's."""
_FUNCTIONS = """
    acc acc_construct argp_err atomic backtrace_create cnd curses dt ef_arm_eabi ef_sh fanotify icmp_host icmp_net icmp_unreach_host
    icmp_unreach_net inet6_opt inet6_option inet6_rth inotify mt_isftape mtx
    posix_spawn_file_actions posix_spawnattr pthread_attr pthread_barrier pthread_barrierattr pthread_cond pthread_condattr
    pthread_mutex pthread_mutexattr pthread_rwlock pthread_rwlockattr
    psample_attr pthread_spin re_char res scr sem slk sof_tkn_intel_dmic sof_tkn_tone soundcard sreg svc tca td uac_ep_cs_attr ut vec
    """
"""What would name a function or a macro of C's, POSIX's or Linux's library: sem_init, for instance."""
_SDKS = """
    adc aes app_button app_fifo app_scheduler app_timer app_uart async_context board bsp can clocks comp critical_section cryp cyw43
    cyw43_arch dac datetime dcmi dma dma2d eth fatfs fmc freertos fsmc gpio hash i2c i2s irq iwdg k_condvar k_event k_fifo k_heap k_lifo
    k_mbox k_mem_slab k_msgq k_mutex k_pipe k_poll_event k_poll_signal k_queue k_sem k_stack k_thread k_timer k_work k_work_delayable
    k_work_poll k_work_queue lock lptim ltdc lwip mdns mutex net_buf nvs nvs_flash octospi opamp pio pio_sm pll pwm quadspi queue
    recursive_mutex ring_buf ring_buffer rng rtc runtime sai sdio sdmmc sntp stdio tim timer tud tuh tusb twi uart usart usb_device usb_host
    vreg watchdog wwdg xosc
    """
"""The same of what boards are programmed with: the SDKs of the Raspberry Pi Pico, ESP32, STM32, nRF and Zephyr; TinyUSB, lwIP."""
_PREFIXES = ("rescomp", "esp_", "nrf_", "nrfx_", "hal_", "pico_", "stdio_", "hardware_", "gcc_", "linux_", "ncurses_")
"""With which all names of one owner begin."""
_DEVICES = f"aux con nul prn {' '.join(f'{port}{number}' for port in ('com', 'lpt') for number in range(10))}"
"""Names that no file has on Windows, whatever its suffix."""
RESERVED_NAMES = KEYWORDS.union(
    *(names.split() for names in (_LIBRARIES, _COMPILERS, _FOLDERS, _FIRMWARE, _ARDUINO, _FUNCTIONS, _SDKS, _DEVICES))
)
"""Model names that would hide a header of somebody else's, clash with one's names, or that no file can have somewhere."""
MOST_NAME_CHARACTERS = 127
"""Of the name of a value, a layer or a step."""
MOST_LABEL_BYTES = 255
"""Of a class label in UTF-8."""
IDENTIFIER = re.compile(r"[a-z][a-z0-9_]*\Z", re.ASCII)
"""Lower case, so that two names differ in a macro's upper case too; no C keyword is excluded, since the C export renames those."""


def is_model_name(name: str) -> bool:
    """Whether a model may be called so: a lower-case C identifier that nobody else uses for a file."""
    if re.fullmatch(rf"[a-z][a-z0-9_]{{0,{LONGEST - 1}}}", name) is None:
        return False
    return name not in RESERVED_NAMES and not name.startswith(_PREFIXES) and not name.endswith("intrin")


def model_name_of(text: str) -> str:
    """A model's name from another one, that of a data set for instance."""
    plain = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:30].strip("_")
    return plain if is_model_name(plain) else f"model_{plain}".rstrip("_")


def check_name(name: str, what: str) -> None:
    """Raise UnsupportedError, which begins with `what`, unless `name` is a lower-case C identifier of bounded length."""
    if len(name) > MOST_NAME_CHARACTERS:
        raise UnsupportedError(f"{what} {name[:40]!r}... has {len(name)} characters: a name has at most {MOST_NAME_CHARACTERS}")
    if not IDENTIFIER.match(name):
        raise UnsupportedError(f"{what} {name!r} is not a lower-case C identifier")


def label_fault(label: str) -> str:
    """Why a text cannot be a class label, to stand behind it; nothing where it can. C gets all but harmless ASCII as octal escapes."""
    if not is_shown(label):
        return "holds a control character, or one that is no Unicode text"
    if len(label.encode()) > MOST_LABEL_BYTES:
        return f"takes {len(label.encode())} bytes, and a label at most {MOST_LABEL_BYTES}"
    return ""

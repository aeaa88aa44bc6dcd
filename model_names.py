"""What a model may be called: its name is that of a header, and begins every name in its C."""

from __future__ import annotations

import re

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
    acc_prof arm_acle arm_bf16 arm_cde arm_cmse arm_fp16 arm_mve arm_mve_types arm_neon backtrace cet cpuid float gcov iso646 mm3dnow
    mm_malloc omp openacc quadmath quadmath_weak riscv_vector stdalign stdarg stdbool stddef stdfix stdnoreturn syslimits tmmintrin
    unwind varargs
    """
"""Headers of compilers; those whose names end in `intrin` are refused by that."""
_FOLDERS = "arpa asm asm_generic avr bits compat gnu linux machine net netinet rpc sys util"
"""Folders of headers."""
_FIRMWARE = "checked_held crc frame held io main parity parity_model pins run semihosting start test_vector uart"
"""Files of the programs around a model."""
_ARDUINO = """
    api arduino binary cdc client common eeprom hardwareserial hid ipaddress pins_arduino pluggableusb print printable sdcard server
    servo softwareserial spi stream udp usbapi usbcore usbdesc wcharacter wire wiring_private wstring zephyr
    """
"""Headers of Arduino's cores and libraries where upper and lower case are one, and Zephyr's."""
_FUNCTIONS = """
    atomic cnd fanotify inet6_opt inet6_option inet6_rth inotify mtx posix_spawn_file_actions posix_spawnattr pthread_attr
    pthread_barrier pthread_barrierattr pthread_cond pthread_condattr pthread_mutex pthread_mutexattr pthread_rwlock pthread_rwlockattr
    pthread_spin sem
    """
"""What would name a function or a macro of C's, POSIX's or Linux's library: sem_init, for instance."""
_SDKS = """
    adc aes async_context board clocks critical_section cyw43_arch datetime gpio i2c irq lock mutex nvs_flash pll pwm queue
    recursive_mutex rtc runtime timer tusb vreg watchdog xosc
    """
"""The same of what boards are programmed with: the SDKs of the Raspberry Pi Pico and of ESP32, TinyUSB."""
_DEVICES = f"aux con nul prn {' '.join(f'{port}{number}' for port in ('com', 'lpt') for number in range(10))}"
"""Names that no file has on Windows, whatever its suffix."""
RESERVED_NAMES = KEYWORDS.union(
    *(names.split() for names in (_LIBRARIES, _COMPILERS, _FOLDERS, _FIRMWARE, _ARDUINO, _FUNCTIONS, _SDKS, _DEVICES))
)
"""Model names that would hide a header of somebody else's, clash with one's names, or that no file can have somewhere."""


def is_model_name(name: str) -> bool:
    """Whether a model may be called so: a lower-case C identifier that nobody else uses for a file."""
    if re.fullmatch(rf"[a-z][a-z0-9_]{{0,{LONGEST - 1}}}", name) is None:
        return False
    return name not in RESERVED_NAMES and not name.startswith("rescomp") and not name.endswith("intrin")


def model_name_of(text: str) -> str:
    """A model's name from another one, that of a data set for instance."""
    plain = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:30].strip("_")
    return plain if is_model_name(plain) else f"model_{plain}".rstrip("_")

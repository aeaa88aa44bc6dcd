/* printk and printf over io.h, and a main function that calls the example's. Of a format nothing but its text is written. */
#include "io.h"

#include <string.h>

void printk(const char *format, ...);
int sample_main(void);
int sample_printf(const char *format, ...);

void printk(const char *format, ...)
{
    io_write(format, (uint32_t)strlen(format));
}

int sample_printf(const char *format, ...)
{
    printk(format);
    return 0;
}

int main(void)
{
    io_open();
    sample_main();
    io_close();
    return 0;
}

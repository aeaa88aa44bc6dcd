/* SPDX-License-Identifier: 0BSD */
#include "parity.h"
#include "uart.h"

int main(void)
{
    uart_open();
    cycles_open();
    parity_serve();
    return 0;
}

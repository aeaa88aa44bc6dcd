#include "Arduino.h"

#include <stdio.h>

#ifdef __AVR__
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>

static void write(char byte)
{
    while (!(UCSR0A & (1 << UDRE0))) {
    }
    UDR0 = byte;
}

static void open() { UCSR0B = 1 << TXEN0; }

static void end()
{
    cli();
    sleep_enable();
    sleep_cpu();
}
#else
static void write(char byte) { putchar(byte); }
static void open() {}
static void end() {}
#endif

HardwareSerial Serial;

void HardwareSerial::begin(unsigned long) { open(); }

void HardwareSerial::print(const char *text)
{
    while (*text) {
        write(*text++);
    }
}

void HardwareSerial::println(const char *text)
{
    print(text);
    print("\r\n");
}

void HardwareSerial::println(unsigned int number)
{
    char text[12];
    snprintf(text, sizeof text, "%u", number);
    println(text);
}

void HardwareSerial::println(int number) { println(static_cast<long>(number)); }

void HardwareSerial::println(long number)
{
    char text[14];
    snprintf(text, sizeof text, "%ld", number);
    println(text);
}

int analogRead(int pin) { return 40 * pin; }

unsigned long micros()
{
    static unsigned long now;
    return now += 30000;
}

int main()
{
    setup();
    loop();
    end();
    return 0;
}

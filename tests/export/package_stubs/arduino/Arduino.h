/* As much of the Arduino core as the examples use: on AVR over its UART, elsewhere over stdout. */
#ifndef ARDUINO_H
#define ARDUINO_H

#include <stdint.h>

#define F(text) (text)

struct HardwareSerial {
    void begin(unsigned long rate);
    void print(const char *text);
    void println(const char *text);
    void println(unsigned int number);
    void println(int number);
    void println(long number);
    explicit operator bool() const { return true; }
};

extern HardwareSerial Serial;

enum { A0 = 14 };
int analogRead(int pin);
unsigned long micros();

void setup();
void loop();

#endif

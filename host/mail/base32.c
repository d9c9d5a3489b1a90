#include "base32.h"

#include "base/str.h"

char base32_digit(unsigned value)
{
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[value & 31];
}

int base32_value(char digit)
{
    char lower = ascii_lower(digit);
    if (lower >= 'a' && lower <= 'z')
        return lower - 'a';
    return digit >= '2' && digit <= '7' ? digit - '2' + 26 : -1;
}

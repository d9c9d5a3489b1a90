/* The digits of base32 (RFC 4648 section 6): letters of one case and what no program changes, so that they
 * survive wherever an address does. */
#pragma once

/* The digit of the value's last five bits: A-Z, 2-7. */
char base32_digit(unsigned value);
/* The value of a digit in either case, or -1. */
int base32_value(char digit);

#include "write_line.h"

#include <stdio.h>

void write_line(const char *text)
{
    fputs(text, stdout);
}

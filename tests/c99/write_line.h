#ifndef WRITE_LINE_H
#define WRITE_LINE_H

/* Writes text to standard output, whatever that is where the program runs. */
void write_line(const char *text);

#endif

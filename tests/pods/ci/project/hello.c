#include <stdio.h>

int main(void) {
    return puts("compiled over there, run here") < 0;
}

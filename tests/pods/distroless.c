/* A client's program that needs no shell: compiles and runs a program, by execvp as any build tool does. */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int run(char *const arguments[])
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        execvp(arguments[0], arguments);
        perror(arguments[0]);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return 125;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(void)
{
    char *const compile[] = {"gcc", "-static", "-o", "answer", "answer.c", NULL};
    char *const answer[] = {"./answer", NULL};
    static const char source[] = "int main(void) { return 42; }\n";
    FILE *file = fopen("answer.c", "w");

    if (file == NULL || fputs(source, file) == EOF || fclose(file) != 0) {
        perror("answer.c");
        return 1;
    }
    printf("gcc ended with %d\n", run(compile));
    printf("answer ended with %d\n", run(answer));
    return 0;
}

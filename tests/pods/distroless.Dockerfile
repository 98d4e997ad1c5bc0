# A client's image that has no shell, no C library and no package manager: k8psh is copied into it, and starts the
# program. gcr.io/distroless/static does as well as scratch.
FROM scratch
COPY --from=registry.example/k8psh:1.0.0 /bin/ /bin/
COPY build /app/build
ENTRYPOINT ["/bin/k8pshd"]

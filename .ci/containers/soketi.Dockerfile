FROM hotpath/debian
COPY soketi/ /app/
LABEL org.opencontainers.image.version=1.6.1
EXPOSE 6001
# As in soketi's own image.
ENTRYPOINT ["node", "/app/node_modules/@soketi/soketi/bin/server.js", "start"]

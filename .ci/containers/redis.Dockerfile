FROM hotpath/debian
COPY redis-entrypoint.sh /usr/local/bin/docker-entrypoint.sh
EXPOSE 6379
ENTRYPOINT ["bash", "/usr/local/bin/docker-entrypoint.sh"]
CMD ["redis-server"]

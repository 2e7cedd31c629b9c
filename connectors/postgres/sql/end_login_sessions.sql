-- Ends every session of the logins $1.
SELECT coalesce(usename::text, ''), pg_terminate_backend(pid)
FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND usename::text = ANY ($1::text[])

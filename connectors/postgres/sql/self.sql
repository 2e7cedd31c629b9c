-- What the connection itself may do.
SELECT current_setting('server_version_num')::int, pg_is_in_recovery(),
       rolname::text, rolsuper, rolcreaterole,
       pg_has_role('pg_signal_backend', 'USAGE')
FROM pg_roles
WHERE rolname = current_user

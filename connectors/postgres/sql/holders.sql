-- Who is a direct member of the roles $1. Since PostgreSQL 16 we are a member of the
-- roles that we made ourselves, to manage them.
SELECT DISTINCT m.rolname::text, r.rolname::text
FROM pg_auth_members am
JOIN pg_roles r ON r.oid = am.roleid
JOIN pg_roles m ON m.oid = am.member
WHERE r.rolname::text = ANY ($1::text[])
  AND NOT (starts_with(r.rolname::text, 'tenure:') AND m.rolname = session_user)

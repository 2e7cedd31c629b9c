-- Who is a direct member of the roles $1, but for our own login: what lets it grant
-- a role to others (always a membership since PostgreSQL 16) is nobody's access, and an
-- exclusive role must not take it away.
SELECT DISTINCT m.rolname::text, r.rolname::text
FROM pg_auth_members am
JOIN pg_roles r ON r.oid = am.roleid
JOIN pg_roles m ON m.oid = am.member
WHERE r.rolname::text = ANY ($1::text[])
  AND m.rolname <> session_user

-- Who is a direct member of the roles $1.
SELECT DISTINCT m.rolname::text, r.rolname::text
FROM pg_auth_members am
JOIN pg_roles r ON r.oid = am.roleid
JOIN pg_roles m ON m.oid = am.member
WHERE r.rolname::text = ANY ($1::text[])

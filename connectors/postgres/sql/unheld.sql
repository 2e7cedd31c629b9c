-- Roles whose comment begins with $1 and that nobody holds, with that comment. Since
-- PostgreSQL 16 whoever makes a role is its member, too.
SELECT rolname::text, shobj_description(oid, 'pg_authid')
FROM pg_roles r
WHERE starts_with(shobj_description(oid, 'pg_authid'), $1)
  AND NOT EXISTS (
    SELECT FROM pg_auth_members am JOIN pg_roles m ON m.oid = am.member
    WHERE am.roleid = r.oid AND m.rolname <> session_user)
ORDER BY rolname

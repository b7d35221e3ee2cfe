"""A user's role in a project by every way there is: parts of statements whose `u` and `p` are the user and the project."""

# A membership that counts today: accepted, and not ended; `expires_at` is the first day on which it no longer does.
COUNTS = "m.state = 'active' AND COALESCE(m.expires_at > %(today)s, TRUE)"

# Each role is looked up by one probe of the index on (user, place) per place: somebody with thousands of memberships costs no more.
ROLE_IN_PROJECT = f"SELECT m.access_level FROM repositories_member m WHERE m.user_id = u.id AND m.project_id = p.id AND {COUNTS}"
# The namespaces whose members have a role here, and the most that it may be: those above the project, all that it has; a group that
# is invited to the project, and those above that group, at most the invitation's; a group that is invited to one above the project,
# direct members only, at most the invitation's.
_PLACES = """
SELECT l.ancestor_id AS id, 60 AS most FROM repositories_namespacelineage l WHERE l.namespace_id = p.namespace_id
UNION ALL SELECT l.ancestor_id, g.access_level FROM repositories_grouplink g
JOIN repositories_namespacelineage l ON l.namespace_id = g.group_id WHERE g.project_id = p.id
UNION ALL SELECT g.group_id, g.access_level FROM repositories_namespacelineage l
JOIN repositories_grouplink g ON g.namespace_id = l.ancestor_id WHERE l.namespace_id = p.namespace_id"""
ROLE_AROUND = f"""
SELECT max((SELECT CASE WHEN m.access_level < place.most THEN m.access_level ELSE place.most END
FROM repositories_member m WHERE m.user_id = u.id AND m.namespace_id = place.id AND {COUNTS})) FROM ({_PLACES}) place"""

# The same roles for several projects; `projects` is a list of parameters.
ROLES_SQL = f"""
    SELECT p.id, u.admin OR n.owner_id = u.id, ({ROLE_IN_PROJECT}), ({ROLE_AROUND})
    FROM repositories_project p
    JOIN repositories_namespace n ON n.id = p.namespace_id
    JOIN accounts_user u ON u.id = %(user)s AND u.state = 'active'
    WHERE p.id IN ({{projects}})"""

"""What kas counts, by the names on the wire (contract: kubernetes-agent 2.5 and 2.6). Others are ignored."""

COUNTERS = (
    "k8s_api_proxy_request",
    "flux_git_push_notifications_total",
    "k8s_api_proxy_requests_via_ci_access",
    "k8s_api_proxy_requests_via_user_access",
    "k8s_api_proxy_requests_via_pat_access",
)
UNIQUE_THINGS = (
    "k8s_api_proxy_requests_unique_agents_via_ci_access",
    "k8s_api_proxy_requests_unique_agents_via_user_access",
    "k8s_api_proxy_requests_unique_agents_via_pat_access",
    "flux_git_push_notified_unique_projects",
)
UNIQUE_USERS = (
    "k8s_api_proxy_requests_unique_users_via_ci_access",
    "k8s_api_proxy_requests_unique_users_via_user_access",
    "k8s_api_proxy_requests_unique_users_via_pat_access",
)
CI_TUNNEL_USERS = "agent_users_using_ci_tunnel"  # derived from the three lists of users
REGISTRATION = "register_agent_at_kas"
UNIQUE = (*UNIQUE_THINGS, *UNIQUE_USERS, CI_TUNNEL_USERS)
MOST_AT_ONCE = 10**12

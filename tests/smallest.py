"""The smallest settings of a site: a desk and an account site, at neither of which anybody listens."""

SETTINGS = """
[organisation]
domains = ["example.edu"]
[sources.desk]
system = "generic"
api_url = "http://127.0.0.1:9/api"
api_token = "a-token-for-the-tests"
webhook_secrets = ["whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="]
[mail_tenants.campus]
system = "account_admin"
url = "http://127.0.0.1:9"
token = "a-token-for-the-tests"
"""

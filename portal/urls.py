"""Define the portal's URLs. All of them require sign-in, except views that are decorated otherwise."""

from __future__ import annotations

from allauth.account import views as accounts
from django.urls import include, path, re_path

from keys.views import saml, sso
from keys.views.accounts import log_in, reauthenticate, sign_out
from keys.views.passwords import password_change, password_from_link, reset_password
from keys.views.second_factor import passkey_login, passkey_options, second_factor

handler400 = "keys.views.bad_request.bad_request"
handler500 = "portal.outage.handler500"
handler429 = "keys.views.accounts.too_many_requests"  # django-allauth looks it up in the root URLconf

urlpatterns = [
    path("", include("keys.urls")),
    # Sign-in: only the allauth views that the portal uses
    path("accounts/login/", log_in, name="account_login"),
    path("accounts/login/second-factor/", second_factor, name="mfa_authenticate"),
    path("accounts/login/passkey/", passkey_login, name="mfa_login_webauthn"),
    path("accounts/passkey/options/", passkey_options, name="passkey_options"),
    path("accounts/logout/", sign_out, name="account_logout"),
    path("accounts/sso/", sso.sign_in, name="account_sso"),
    path("accounts/sso/confirm/", sso.step_up, name="account_sso_confirm"),
    path("accounts/sso/callback/", sso.callback, name="account_sso_callback"),  # portal.middleware repeats it
    path("accounts/saml/acs/", saml.acs, name="account_saml_acs"),
    path("accounts/saml/finish/", saml.finish, name="account_saml_finish"),
    path("accounts/saml/metadata/", saml.metadata, name="account_saml_metadata"),
    path("accounts/inactive/", accounts.account_inactive, name="account_inactive"),
    path("accounts/signup/", accounts.signup, name="account_signup"),  # closed by the adapter
    path("accounts/reauthenticate/", reauthenticate, name="account_reauthenticate"),
    path("accounts/password/change/", password_change, name="account_change_password"),
    path("accounts/password/reset/", reset_password, name="account_reset_password"),
    path("accounts/password/reset/done/", accounts.password_reset_done, name="account_reset_password_done"),
    re_path(
        r"^accounts/password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        password_from_link,
        name="account_reset_password_from_key",
    ),
    path(
        "accounts/password/reset/key/done/",
        accounts.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
]

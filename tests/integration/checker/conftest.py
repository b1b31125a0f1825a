"""What tests of the checker share with those of makers."""

from tests.integration.maker.conftest import anyio_backend as anyio_backend
from tests.integration.maker.conftest import dialect as dialect
from tests.integration.maker.conftest import no_settings_of_the_users as no_settings_of_the_users

/** Puts the modules under test where a test can call them. */

import * as base64url from "/static/base64url.js";
import * as hpke from "/static/hpke.js";
import * as revealInfo from "/static/reveal-info.js";
import * as tabKey from "/static/tab-key.js";

window.modules = { base64url, hpke, revealInfo, tabKey };

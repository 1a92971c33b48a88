/**
 * The page of one's own request: forget the draft of the wizard, because it was sent.
 */

import { clear } from "./wizard-draft.js";

clear(document.getElementById("request").dataset.user);

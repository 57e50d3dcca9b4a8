// Search: prose before the pages of the API, and titles before text.
"use strict";
var Scorer = {
  score: ([docname, title, anchor, description, score]) => (/^(_api|_source)\//.test(docname) || docname === "api" ? score - 100 : score),
  objNameMatch: 11, objPartialMatch: 6, objPrio: {0: 15, 1: 5, 2: -5}, objPrioDefault: 0,
  title: 15, partialTitle: 7, term: 5, partialTerm: 2,
};

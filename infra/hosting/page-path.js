// The dashboard's pages are not files: every path that names no file becomes /index.html.
// This function belongs to the default behaviour only. An error page of the distribution would
// also replace the API's own 404.
function handler(event) {
  const request = event.request;
  const name = request.uri.slice(request.uri.lastIndexOf("/") + 1);
  if (name.indexOf(".") === -1) request.uri = "/index.html";
  return request;
}

// A page of the dashboard is no file of its own: each path that names no file is /index.html.
// A CloudFront function of the default behaviour alone. As an error page of the distribution
// it would also take the place of the API's own 404.
function handler(event) {
  const request = event.request;
  const name = request.uri.slice(request.uri.lastIndexOf("/") + 1);
  if (name.indexOf(".") === -1) request.uri = "/index.html";
  return request;
}

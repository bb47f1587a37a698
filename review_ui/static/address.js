// Streamlit's own address, told before it starts: on a page with an address of its own it would first look for its
// server beside that page, at two addresses that do not exist.
window.__streamlit = { ...window.__streamlit, BACKEND_BASE_URL: location.origin };

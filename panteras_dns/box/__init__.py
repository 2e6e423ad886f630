"""What makes a name appear and a page open: registration of containers, the balancer, the front page, the files that
start it all."""
